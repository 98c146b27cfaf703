"""The commands and files of the guides that concern training, as they are written there.

Only `slt train` stands where the name of the script stood, and `...` for what a guide leaves out is
not there.
"""

from __future__ import annotations

COMMANDS = {
    "demo": r"""
slt train \
  --face-dir data/rois/face \
  --hand-left-dir data/rois/hand_l \
  --hand-right-dir data/rois/hand_r \
  --pose-dir data/rois/pose \
  --metadata-csv data/lsa_t/subs.csv \
  --train-index data/lsa_t/index/train.csv \
  --val-index data/lsa_t/index/val.csv \
  --work-dir work_dirs/demo \
  --batch-size 2 --epochs 2
""",
    "basic": r"""
slt train \
  --face-dir data/single_signer/processed/face \
  --hand-left-dir data/single_signer/processed/hand_l \
  --hand-right-dir data/single_signer/processed/hand_r \
  --pose-dir data/single_signer/processed/pose \
  --metadata-csv meta.csv \
  --train-index data/single_signer/index/train.csv \
  --val-index data/single_signer/index/val.csv \
  --work-dir work_dirs/single_signer_experiment \
  --tokenizer hf-internal-testing/tiny-random-T5 \
  --epochs 40 --batch-size 4 --sequence-length 64
""",
    "signmusketeers": r"""
slt train \
  --decoder-preset signmusketeers \
  --face-dir data/single_signer/processed/face \
  --hand-left-dir data/single_signer/processed/hand_l \
  --hand-right-dir data/single_signer/processed/hand_r \
  --pose-dir data/single_signer/processed/pose \
  --metadata-csv meta.csv \
  --train-index data/single_signer/index/train.csv \
  --val-index data/single_signer/index/val.csv \
  --work-dir work_dirs/signmusketeers_t5 \
  --batch-size 4 --sequence-length 128
""",
    "mska_mbart": r"""
slt train \
  --decoder-preset mska_paper_mbart \
  --face-dir data/single_signer/processed/face \
  --hand-left-dir data/single_signer/processed/hand_l \
  --hand-right-dir data/single_signer/processed/hand_r \
  --pose-dir data/single_signer/processed/pose \
  --keypoints-dir data/single_signer/processed/keypoints \
  --gloss-csv data/single_signer/gloss.csv \
  --metadata-csv meta.csv \
  --train-index data/single_signer/index/train.csv \
  --val-index data/single_signer/index/val.csv \
  --work-dir work_dirs/mska_mbart_offline \
  --batch-size 4 --sequence-length 128
""",
    "prompt": r"""
slt train \
  --decoder-preset signmusketeers \
  --decoder-prompt-length 20 \
  --decoder-prompt-init tokens \
  --decoder-prompt-text "translate to rioplatense" \
  --teacher-forcing-mode scheduled \
  --teacher-forcing-ratio 1.0 \
  --teacher-forcing-min-ratio 0.3 \
  --teacher-forcing-decay 0.9
""",
    "augmentation": r"""
slt train \
  --config configs/single_signer.yml \
  --keypoint-scale-range 0.9,1.1 \
  --keypoint-translate-range -0.05,0.05 \
  --keypoint-rotate-range -15,15 \
  --keypoint-resample-range 0.85,1.1
""",
    "overrides": r"""
slt train \
  --config configs/single_signer.yml \
  --set data.batch_size=6 \
  --set optim.scheduler="cosine" \
  --set model.decoder_heads=6
""",
    "own_decoder": r"""
slt train \
  --decoder-class my_project.decoders:MyDecoder \
  --decoder-kwargs '{"dropout": 0.0, "share_embeddings": true}'
""",
    "frozen_face_backbone": r"""
slt train \
  --config configs/single_signer.yml \
  --set model.face_backbone "file::work_dirs/dino_face/backbone.pt:dinov2_vits14" \
  --set model.freeze_face_backbone true
""",
    "pretrained_states": r"""
slt train \
  --config configs/single_signer_mska.yaml \
  --use-mska \
  --mska-face-state work_dirs/dino_face/encoder_face.pt \
  --mska-hand-state work_dirs/dino_hands/encoder_hand.pt \
  --face-backbone "file::work_dirs/dino_face/backbone.pt:dinov2_vits14" \
  --hand-left-backbone "file::work_dirs/dino_hands/backbone.pt:dinov2_vits14" \
  --hand-right-backbone "file::work_dirs/dino_hands/backbone.pt:dinov2_vits14"
""",
}

YAML = {
    "minimal": """
data:
  face_dir: data/single_signer/processed/face
  hand_left_dir: data/single_signer/processed/hand_l
  hand_right_dir: data/single_signer/processed/hand_r
  pose_dir: data/single_signer/processed/pose
  metadata_csv: meta.csv
  train_index: data/single_signer/index/train.csv
  val_index: data/single_signer/index/val.csv
  work_dir: work_dirs/single_signer_experiment
model:
  sequence_length: 64
  image_size: 224
training:
  epochs: 40
optim:
  lr: 0.0005
""",
    "gloss_mlp": """
model:
  use_mska: true
  mska_gloss_hidden_dim: 256
  mska_gloss_second_hidden_dim: 128
  mska_gloss_dropout: 0.1
""",
    "mix_streams": """
data:
  mix_streams:
    face: 0.5
    hand_left: 0.25
""",
}
