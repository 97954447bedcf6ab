# The broker and Home Assistant.
