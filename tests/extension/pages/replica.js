// Editors as the sites' frameworks keep them: own state, drawn anew after each input; Enter would send.
window.sent = 0;
window.keys = 0;
window.state = "";
const editor = document.querySelector("[contenteditable]");
const takes = document.documentElement.dataset.takes;
const draw = () => editor.replaceChildren(...window.state.split("\n").map((line) => Object.assign(document.createElement("p"), { textContent: line })));
for (const kind of ["keydown", "keyup", "keypress"]) document.addEventListener(kind, (e) => ((window.keys += 1), e.key === "Enter" && (window.sent += 1)), true);
document.addEventListener("click", () => (window.sent += 1), true);
if (takes === "paste") {
  editor.addEventListener("paste", (e) => (e.preventDefault(), (window.state += e.clipboardData.getData("text/plain")), draw()));
  editor.addEventListener("input", draw); // what did not go through its state is undone
} else editor.addEventListener("input", () => (window.state = editor.innerText));
