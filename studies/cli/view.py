"""`recipe-search view`: the pages of one or more studies."""

from __future__ import annotations

from pathlib import Path

import click

from studies.cli.command import OurCommand, ignore_ctrl_c, plain_errors


@click.command(cls=OurCommand)
@click.argument("studies", type=click.Path(path_type=Path), nargs=-1)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; keep it local.")
@click.option("--port", default=8090, show_default=True, type=click.IntRange(0, 65535), help="0: any that is free.")
@click.option("--metrics", is_flag=True, help="Also how the studies stand at /metrics, for Prometheus.")
@click.option(
    "--metrics-token-file",
    type=click.Path(path_type=Path),
    help="A file with a word: who brings it as a bearer token may read /metrics, and nothing else.",
)
@plain_errors
def view(studies: tuple[Path, ...], host: str, port: int, *, metrics: bool, metrics_token_file: Path | None) -> None:
    """Watch, judge, approve and export on pages in the browser; of study files, or of folders of studies."""
    from studies.pages.library import Library
    from studies.pages.server import MetricsOffer, PageServer

    offer = MetricsOffer() if metrics else None
    if metrics_token_file is not None:
        offer = MetricsOffer.with_token_of(metrics_token_file)
    server = PageServer(Library(studies or (Path(),)), host=host, port=port, metrics=offer)
    click.echo(f"{server.address}  (Ctrl+C to stop)")
    server.serve()
    ignore_ctrl_c()  # it was pressed
