"""The report's style sheet: light and dark, wide and narrow, nothing fetched."""

STYLE = """
:root{--paper:#fbfbf9;--card:#fff;--ink:#1c2024;--soft:#626b73;--line:#e3e4df;--mark:#0f766e;
--rail:#e8e9e4;--warn:#8a5a00;--warnbg:#fff6e0;--bad:#b4593a}
@media (prefers-color-scheme:dark){:root{--paper:#14171a;--card:#1c2024;--ink:#e8eaec;
--soft:#9aa4ad;--line:#2c3238;--mark:#4fc3b5;--rail:#2c3238;--warn:#f0c674;--warnbg:#2b2517;
--bad:#e08a68}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);-webkit-text-size-adjust:100%;
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1080px;margin:0 auto;padding:2.5rem 1.25rem 3rem}
h1{font-size:clamp(1.8rem,4vw,2.6rem);line-height:1.15;margin:0 0 .4rem;letter-spacing:-.02em}
h2{font-size:1.25rem;margin:0 0 .4rem;letter-spacing:-.01em}
h3{font-size:.95rem;margin:1.4rem 0 .5rem;color:var(--soft)}
header p{font-size:1.1rem;color:var(--soft);margin:0 0 1.6rem}
section{margin:0 0 2.6rem}
section>p{margin:0 0 1rem;max-width:68ch;color:var(--soft)}
.note{font-size:.875rem;color:var(--soft);margin:.7rem 0 0!important}
.numbers{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:1px;
margin:0 0 2rem;background:var(--line);border:1px solid var(--line);border-radius:12px;
overflow:hidden}
.numbers div{background:var(--card);padding:1rem 1.1rem;display:flex;flex-direction:column}
.numbers dd{margin:0;font-size:1.75rem;font-weight:650;line-height:1.2;
font-variant-numeric:tabular-nums;letter-spacing:-.02em}
.numbers dt{color:var(--soft);font-size:.875rem}
figure{margin:0}
img{display:block;width:100%;height:auto;border-radius:8px;background:var(--rail)}
figcaption{font-size:.875rem;color:var(--soft);padding:.35rem .1rem 0}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr));gap:1rem}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:.8rem}
.tiles figcaption{font-size:.78rem;white-space:pre-wrap}
table{width:100%;border-collapse:collapse;background:var(--card);border:1px solid var(--line);
border-radius:12px;border-spacing:0;overflow:hidden}
th,td{text-align:left;padding:.55rem .9rem;border-top:1px solid var(--line);vertical-align:middle;
font-variant-numeric:tabular-nums}
thead th{border-top:0;font-size:.8rem;font-weight:600;color:var(--soft);white-space:nowrap}
tbody th{font-weight:600}
tbody th small{display:block;font-weight:400;color:var(--soft)}
td{white-space:nowrap}
.interval{display:inline-grid;grid-template-columns:140px auto auto;gap:.55rem;align-items:center}
.interval svg{width:140px;height:14px}
.interval span{color:var(--soft);font-size:.85rem}
.rail{stroke:var(--rail);stroke-width:2}
.bar{stroke:var(--mark);stroke-width:6;stroke-linecap:round;opacity:.45}
circle{fill:var(--mark);stroke:var(--card);stroke-width:1.5}
.bars{margin:0;display:grid;gap:.35rem}
.bars div{display:grid;grid-template-columns:minmax(8rem,14rem) 1fr;gap:1rem;align-items:center}
.bars dt{font-size:.925rem;overflow-wrap:anywhere}
.bars dd{margin:0;display:flex;align-items:center;gap:.6rem;font-size:.875rem;color:var(--soft);
font-variant-numeric:tabular-nums}
.bars dd span{flex:none}
.bars i{display:block;height:.7rem;min-width:2px;border-radius:3px;background:var(--soft);
opacity:.55;flex-shrink:1}
.bars .good i{background:var(--mark);opacity:1}
.histogram{display:block;width:100%;height:auto}
.histogram rect{fill:var(--mark);opacity:.75}
.histogram text{fill:var(--soft);font-size:13px}
.warnings{background:var(--warnbg);border-radius:12px;padding:1rem 1.2rem}
.warnings h2{color:var(--warn)}
.warnings ul{margin:0;padding-left:1.2rem}
footer{border-top:1px solid var(--line);padding-top:1rem;color:var(--soft);font-size:.85rem;
overflow-wrap:anywhere}
@media (max-width:760px){
main{padding:1.5rem 1rem 2rem}
.tiles{grid-template-columns:repeat(2,1fr)}
.numbers{grid-template-columns:repeat(2,1fr)}
.numbers dd{font-size:1.4rem}
.numbers div:last-child:nth-child(odd){grid-column:span 2}
thead{display:none}
table,tbody,tr,th,td{display:block;width:100%}
tbody tr{padding:.7rem .9rem;border-top:1px solid var(--line)}
tbody tr:first-child{border-top:0}
tbody th,tbody td{border:0;padding:.1rem 0}
tbody td{display:flex;justify-content:space-between;gap:1rem;align-items:center}
td::before{content:attr(data-of);color:var(--soft);font-size:.85rem}
.interval{grid-template-columns:minmax(60px,110px) auto auto}
.interval svg{width:100%}
.bars div{grid-template-columns:1fr;gap:.1rem}
}
@media print{main{max-width:none}section{break-inside:avoid}}
"""
