"""A report as one file of HTML, which needs nothing else."""
