/** The element's style sheet, one for all elements: a constructed sheet needs no inline style. */
export declare function elementSheet(): CSSStyleSheet;
