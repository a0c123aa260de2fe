"""The dashboard: static files, no build step; the browser runs what is here. The server finds the folder by this."""
