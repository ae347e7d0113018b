"""The pages of a study: a local server to watch a night, judge its pictures, approve and export; and the report."""
