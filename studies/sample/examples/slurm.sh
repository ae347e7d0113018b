#!/bin/bash
# Sixteen workers of one study on a cluster with SLURM: sbatch --array=1-16 slurm.sh
# The study was begun once with `recipe-search run study.toml` on any machine, its [study] storage and artifacts set.
# The database's password is in ~/.pgpass, the object storage's credentials in ~/.aws. A worker that the scheduler ends
# (SIGTERM, 120 s before its time is over) marks its trial, and another one takes it up.
#SBATCH --job-name=recipe-search
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=4
#SBATCH --mem=24G
#SBATCH --time=08:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
set -euo pipefail
: "${RECIPE_SEARCH_DATABASE:=postgresql://me@server/recipes}" "${RECIPE_SEARCH_STUDY:=my-mix}" "${RECIPE_SEARCH_MODELS:=$HOME/models}"
exec recipe-search worker "$RECIPE_SEARCH_DATABASE" "$RECIPE_SEARCH_STUDY" --models "$RECIPE_SEARCH_MODELS" \
  --folder "${SLURM_TMPDIR:-${TMPDIR:-/tmp}}/recipe-search-${SLURM_ARRAY_JOB_ID:-0}-${SLURM_ARRAY_TASK_ID:-0}" "$@"
