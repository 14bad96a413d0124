"""Pages that open from the disk in any browser: one file each, with their pictures, styles and scripts inside."""
