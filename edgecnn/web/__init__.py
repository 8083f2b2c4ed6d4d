"""Web pages that run networks: engines, a loopback server, and the browser that opens the pages."""
