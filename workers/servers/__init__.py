"""Broker and store for a trial: started, kept while the command runs, stopped in order."""
