"""Pictures without depth: photos, videos and what phones without a depth sensor write."""
