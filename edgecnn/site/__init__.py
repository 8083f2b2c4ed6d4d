"""A web page that classifies photographs with a bundle's network: static files, no build step."""
