"""The people at the line: see, judge, improve. A web process beside the stage."""
