"""A page in the browser to restore videos by: `basicsr ui`."""
