"""The diffusion parts both presets share: schedule, posterior, network, loss and sampling."""
