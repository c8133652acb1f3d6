"""Images in folders: which there are, what they are for, and their pixels through a view."""
