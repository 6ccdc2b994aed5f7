"""From finished cells to tables, figures and pages."""
