"""How frames are restored: as a whole, where the video is cropped to a face, or face by face."""
