"""The dashboard: static files, no build step; what is here is what the browser runs. The server finds the folder by this."""
