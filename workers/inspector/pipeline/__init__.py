"""A frame's stages in its order: intake, admit, batch, inference, detect, publish, commit."""
