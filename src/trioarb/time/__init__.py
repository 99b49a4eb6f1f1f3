"""Campaign time: real, sped up, or virtual, behind one small service."""
