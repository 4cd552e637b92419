/**
 * The text that a person sees on a page, and nothing else.
 *
 * Text that is there for machines only (hidden, transparent, microscopic, off the page, clipped away, in the
 * colour of its ground, or made of invisible characters) is left out: it is where injections live.
 */
const SKIPPED = "script, style, noscript, template, iframe, object, head, title, [hidden], [inert]";
const SMALLEST = 5; // px
const FAINTEST = 0.15; // opacity of all ancestors multiplied
const CLOSEST = 24; // of 765: sum of differences of red, green and blue between ink and ground

/** Zero-width, direction marks, tag characters, variation selectors, private use: what carries hidden words. */
const UNSEEN =
  /[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\u{e0000}-\u{e0fff}\u{f0000}-\u{10ffff}]/gu;

export function cleaned(text: string): string {
  return text
    .replace(UNSEEN, "")
    .replace(/[^\S\n]+/g, " ")
    .replace(/ ?\n[\s]*/g, "\n")
    .trim();
}

/** Visible text below `root`, one line a block; of a marked range only, where one is given. */
export function visibleText(root: Element, most = 6000, marked?: Range): string {
  const seen = new Map<Element, boolean>();
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  let text = "";
  let block: Element | null = null;
  for (let node = walker.nextNode(); node && text.length < most; node = walker.nextNode()) {
    const holder = node.parentElement;
    const said = partOf(node, marked);
    if (!holder || !said.trim() || !isSeen(holder, seen) || !hasPlace(node)) continue;
    const own = holder.closest("p, li, div, article, section, td, h1, h2, h3, h4, h5, blockquote");
    text += own === block ? said : `\n${said}`;
    block = own;
  }
  return cleaned(text).slice(0, most);
}

function partOf(node: Node, marked?: Range): string {
  const whole = node.nodeValue ?? "";
  if (!marked) return whole;
  if (!marked.intersectsNode(node)) return "";
  const end = node === marked.endContainer ? marked.endOffset : whole.length;
  return whole.slice(node === marked.startContainer ? marked.startOffset : 0, end);
}

function isSeen(element: Element, seen: Map<Element, boolean>): boolean {
  const known = seen.get(element);
  if (known !== undefined) return known;
  const is = judge(element);
  seen.set(element, is);
  return is;
}

function judge(element: Element): boolean {
  if (element.closest(SKIPPED)) return false;
  if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true })) return false;
  const style = getComputedStyle(element);
  if (parseFloat(style.fontSize) < SMALLEST) return false;
  const ink = colour(style.getPropertyValue("-webkit-text-fill-color") || style.color);
  if (ink[3] < FAINTEST) return false;
  let opacity = 1;
  let ground: Colour | undefined;
  for (let up: Element | null = element; up; up = up.parentElement) {
    const own = getComputedStyle(up);
    opacity *= parseFloat(own.opacity);
    if (/opacity\(\s*0?(\.0\d*)?%?\)/.test(own.filter) || opacity < FAINTEST || isCut(up, own)) return false;
    const fill = colour(own.backgroundColor);
    if (!ground && own.backgroundImage !== "none") ground = [-999, -999, -999, 1];
    if (!ground && fill[3] > 0.5) ground = fill;
  }
  ground ??= [255, 255, 255, 1];
  return Math.abs(ink[0] - ground[0]) + Math.abs(ink[1] - ground[1]) + Math.abs(ink[2] - ground[2]) >= CLOSEST;
}

/** Clipped to nothing, folded to nothing, or scaled to nothing. */
function isCut(element: Element, style: CSSStyleDeclaration): boolean {
  if (/rect\(\s*[01](px)?[,\s]+[01]px/.test(style.clip) && style.position !== "static") return true;
  if (/inset\(\s*(50|100)%|circle\(\s*0/.test(style.clipPath)) return true;
  const box = element.getBoundingClientRect();
  const folded = style.overflow !== "visible" && element !== document.body && element !== document.documentElement;
  if (folded && (box.width < 3 || box.height < 3)) return true;
  return style.transform !== "none" && (box.width < 3 || box.height < 3);
}

/** Whether a text has a place on the page that can be scrolled to. */
function hasPlace(node: Node): boolean {
  const range = document.createRange();
  range.selectNodeContents(node);
  const box = range.getBoundingClientRect();
  if (box.width < 1 || box.height < 2) return false;
  const { scrollX, scrollY } = window;
  const page = document.documentElement;
  const wide = Math.max(page.scrollWidth, page.clientWidth);
  return box.right + scrollX > 0 && box.bottom + scrollY > 0 && box.left + scrollX < wide;
}

type Colour = [number, number, number, number];

const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });

/** Red, green, blue of 255, and alpha of 1. Newer notations (oklch, color-mix) are drawn to be read. */
function colour(css: string): Colour {
  if (!css.startsWith("rgb") && pixel) {
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = css;
    pixel.fillRect(0, 0, 1, 1);
    const [r = 0, g = 0, b = 0, a = 0] = pixel.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  }
  const [r = 0, g = 0, b = 0, a = 1] = css.match(/[\d.]+/g)?.map(Number) ?? [];
  return [r, g, b, a];
}
