"""Labelled images -> score maps -> ranking metrics: what several commands measure."""
