"""How the page of a check looks."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5d6878; --paper: #f5f6f8;
  --card: #fff; --line: #dfe3e9; --empty: #e6e9ee; --error: #c0392b; --warning: #b97a00;
  --good: #23834b; --body: #5b6ee1; --face: #d0649b; --hand_left: #1f9d8b; --hand_right: #d97b29; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #98a3b3; --paper: #14181f;
  --card: #1d232c; --line: #2f3743; --empty: #2b323d; --error: #ef6a5b; --warning: #e2a838;
  --good: #58c086; --body: #8393f2; --face: #e587b5;
  --hand_left: #45c2ae; --hand_right: #eb9a50; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 28px 20px 48px; }
header p { margin: 0; color: var(--soft); letter-spacing: .04em; }
h1 { margin: 2px 0 20px; font-size: 26px; overflow-wrap: anywhere; line-height: 1.25; }
h1 em { font-style: normal; font-size: 14px; padding: 3px 12px; border-radius: 99px; color: #fff;
  vertical-align: 4px; white-space: nowrap; }
.passed { background: #23834b; } .failed { background: #c0392b; }
h2 { font-size: 18px; margin: 36px 0 4px; }
.note { margin: 0 0 12px; color: var(--soft); }
.good { color: var(--good); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 10px; }
.tile, .finding, .clip, .sheet, .chart { background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }
.tile { padding: 12px 16px; }
.tile b { display: block; font-size: 22px; font-variant-numeric: tabular-nums; line-height: 1.3; }
.tile.wide { grid-column: span 2; }
.tile span { color: var(--soft); font-size: 13px; }
.finding { margin: 6px 0; border-left: 4px solid var(--warning); }
.finding.error { border-left-color: var(--error); }
summary { display: grid; grid-template-columns: 68px 52px 1fr auto; gap: 10px; padding: 9px 14px;
  cursor: pointer; align-items: baseline; list-style: none; }
summary::-webkit-details-marker { display: none; }
summary i { font-style: normal; font-size: 13px; font-weight: 600; color: var(--warning); }
.error summary i { color: var(--error); }
summary b { font-variant-numeric: tabular-nums; }
summary b::after { content: " \\25be"; color: var(--soft); font-weight: 400; }
details[open] summary b::after { content: " \\25b4"; }
summary:hover { background: var(--empty); border-radius: 0 9px 9px 0; }
.finding p, .finding ul { margin: 0 14px 12px; }
.finding ul { padding: 0; max-height: 340px; overflow: auto; list-style: none; }
.finding li { font: 13px/1.6 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  overflow-wrap: anywhere; border-top: 1px solid var(--line); padding: 3px 0; }
code { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.clip { display: grid; grid-template-columns: minmax(120px, 210px) 1fr; gap: 4px 18px;
  padding: 10px 14px; margin: 6px 0; }
.clip h3, .sheet h3 { margin: 0; font-size: 14px; overflow-wrap: anywhere; line-height: 1.35; }
.clip h3 span, .sheet h3 span { display: block; font-weight: 400; font-size: 13px;
  color: var(--soft); }
.strips { display: grid; grid-template-columns: 66px 1fr 40px; gap: 3px 8px; align-items: center;
  font-size: 12px; color: var(--soft); line-height: 1; }
.strips b { text-align: right; font-weight: 400; font-variant-numeric: tabular-nums; }
.strip { width: 100%; height: 9px; background: var(--empty); border-radius: 2px; display: block; }
.body .strip { fill: var(--body); }
.face .strip { fill: var(--face); } .hand_left .strip { fill: var(--hand_left); }
.hand_right .strip { fill: var(--hand_right); }
.sheet { padding: 12px 14px; margin: 10px 0; }
.sheet img { width: 100%; height: auto; display: block; margin-top: 8px;
  border-radius: 4px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0 0 10px; color: var(--soft);
  font-size: 13px; }
.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px;
  vertical-align: -1px; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 10px; }
.chart { margin: 0; padding: 12px 16px; }
.chart figcaption span { display: block; color: var(--soft); font-size: 13px; }
.chart svg { width: 100%; height: auto; display: block; fill: var(--body); }
.chart line { stroke: var(--line); } .chart text { fill: var(--soft); font-size: 11px; }
footer { margin-top: 40px; color: var(--soft); font-size: 13px; }
@media (max-width: 620px) {
  main { padding: 18px 12px 32px; }
  summary { grid-template-columns: auto auto 1fr auto; gap: 8px; padding: 9px 10px; }
  .clip { grid-template-columns: 1fr; }
  h1 { font-size: 21px; }
  .sheet { overflow-x: auto; } .sheet img { min-width: 720px; }
}
"""
