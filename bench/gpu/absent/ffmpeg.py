"""Empty stand-in for ffmpeg: files are read with soundfile."""
