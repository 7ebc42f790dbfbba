"""A browser of this machine, without a window, for tests of pages."""

import shutil

# None where there is none.
BROWSER = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
