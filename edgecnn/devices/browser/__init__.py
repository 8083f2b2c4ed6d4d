"""The browser of this machine as a device: an agent whose workers are pages."""
