"""MSKA: attention between keypoints in four streams, read by gloss heads (Guan et al. 2024)."""
