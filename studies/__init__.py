"""Keep it: study files, nights, storage, sheets, approval, exports, and the command line."""
