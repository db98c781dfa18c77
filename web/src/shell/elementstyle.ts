const CSS = `
:host { display: block; position: relative; overflow: hidden; background: #000; }
:host([hidden]) { display: none; }
canvas { display: block; position: relative; width: 100%; height: auto; }
video { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; }
.children { position: absolute; inset: 0; pointer-events: none; }
::slotted(*) { pointer-events: auto; }
.label {
  position: absolute; top: 12px; left: 12px; padding: 5px 11px; border-radius: 999px;
  font: 500 13px/1.3 system-ui, sans-serif; color: #fff; background: rgb(0 0 0 / .62);
}
.label:empty { display: none; }
.unmute {
  position: absolute; top: 10px; right: 10px; min-width: 44px; min-height: 36px; padding: 0 14px;
  border: 1px solid rgb(255 255 255 / .28); border-radius: 999px; cursor: pointer;
  font: 600 13px/1 system-ui, sans-serif; color: #fff; background: rgb(0 0 0 / .62);
}
.unmute:hover { background: rgb(0 0 0 / .85); }
.unmute:focus-visible { outline: 2px solid #fff; outline-offset: 2px; }
.unmute[hidden] { display: none; }
`;

let sheet: CSSStyleSheet | undefined;

/** The element's style sheet, one for all elements: a constructed sheet needs no inline style. */
export function elementSheet(): CSSStyleSheet {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
  }
  return sheet;
}
