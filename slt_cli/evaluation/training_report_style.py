"""How the report of a training run looks, on a light and on a dark screen."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6675; --paper: #f6f7f9;
  --card: #fff; --line: #e1e5ea; --s0: #3f5bd8; --s1: #d2622a; --s2: #1b8f7c; --s3: #a3478f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e5e9ef; --soft: #9aa5b4; --paper: #14181e;
  --card: #1d232b; --line: #303844; --s0: #8b9cf7; --s1: #f0935b; --s2: #46c4ae; --s3: #dc87c8; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: 28px 20px 48px; }
header p { margin: 0; color: var(--soft); letter-spacing: .04em; }
h1 { margin: 2px 0 18px; font-size: 26px; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 34px 0 10px; font-size: 19px; }
h3 { margin: 0; font-size: 15px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(140px, 1fr)); gap: 10px; }
.tile, figure, .sheet { background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }
.tile { padding: 10px 14px; }
.tile b { display: block; font-size: 20px; font-variant-numeric: tabular-nums;
  overflow-wrap: anywhere; }
.tile span { color: var(--soft); font-size: 13px; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(320px, 1fr)); gap: 10px; }
figure { margin: 0; padding: 12px 14px; }
figcaption p { margin: 0 0 4px; color: var(--soft); font-size: 13px; }
figcaption span { display: inline-block; margin-right: 14px; font-size: 13px; }
figcaption span::before { content: ""; display: inline-block; width: 14px; height: 3px;
  margin-right: 6px; vertical-align: 4px; background: var(--c); }
svg { width: 100%; height: auto; display: block; margin-top: 6px; }
svg line { stroke: var(--line); } svg text { fill: var(--soft); font-size: 11px; }
svg path { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; }
svg circle { fill: var(--c); }
.s0 { --c: var(--s0); } .s1 { --c: var(--s1); } .s2 { --c: var(--s2); } .s3 { --c: var(--s3); }
.sheet { overflow-x: auto; max-height: 520px; overflow-y: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { padding: 6px 12px; text-align: left; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { position: sticky; top: 0; background: var(--card); color: var(--soft); font-weight: 600;
  white-space: nowrap; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th.n { text-align: right; }
tr.best td { font-weight: 700; }
td.text { overflow-wrap: anywhere; min-width: 180px; }
code { font-size: 13px; overflow-wrap: anywhere; }
.note { margin: 0 0 8px; color: var(--soft); font-size: 14px; }
footer { margin-top: 40px; color: var(--soft); font-size: 13px; }
@media (max-width: 620px) { main { padding: 18px 12px 32px; } h1 { font-size: 21px; } }
"""
