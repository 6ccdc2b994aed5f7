"""The page that report.py writes of one or more runs."""
