"""The camera process: pictures from files or a renderer onto the frames topic."""
