"""What every process knows of evidence: its settings, cases and their records, links that open."""
