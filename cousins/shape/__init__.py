"""From a segment's seen surface to a closed, textured shape with convex parts."""
