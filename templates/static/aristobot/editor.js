// A text area with code becomes an editor; without scripts it stays what it is. What validation found is
// shown on its lines too, and read from the page, wherever it came from.
const SAVE = { win: "Ctrl-S", mac: "Command-S" };

function makeEditor(area) {
  const box = document.createElement("div");
  box.className = "editor";
  area.after(box);
  area.style.display = "none";
  const editor = ace.edit(box, {
    mode: "ace/mode/python", value: area.value, readOnly: area.readOnly, tabSize: 4, useSoftTabs: true,
    fontSize: 13, showPrintMargin: false, enableKeyboardAccessibility: true, textInputAriaLabel: "Code",
  });
  const theme = () => editor.setTheme(`ace/theme/${document.documentElement.classList.contains("dark") ? "github_dark" : "github_light_default"}`);
  new MutationObserver(theme).observe(document.documentElement, { attributeFilter: ["class"] });
  theme();
  editor.session.on("change", () => {
    area.value = editor.getValue();
    area.dispatchEvent(new Event("input", { bubbles: true })); // the page asks before it is left
  });
  return editor;
}

// Marks stay on their lines while others are written above them.
function markProblems(editor) {
  const { session } = editor;
  const marks = [...document.querySelectorAll("#findings [data-line]")].map((item) => {
    const anchor = session.doc.createAnchor(item.dataset.line - 1, 0);
    item.querySelector(".to-line").onclick = () => {
      editor.gotoLine(anchor.row + 1);
      editor.container.scrollIntoView({ block: "center" });
      editor.focus();
    };
    return { anchor, type: item.dataset.severity, text: item.dataset.message };
  });
  const show = () => session.setAnnotations(marks.map(({ anchor, type, text }) => ({ row: anchor.row, column: 0, type, text })));
  session.off("change", editor.showProblems);
  session.on("change", editor.showProblems = show);
  show();
}

function takeFiles(editor, input) {
  input.addEventListener("change", async () => {
    editor.setValue(await input.files[0].text(), -1);
    input.value = "";
  });
}

addEventListener("DOMContentLoaded", () => {
  const area = document.querySelector("textarea[data-code]");
  if (!area || !window.ace) return;
  const editor = makeEditor(area);
  markProblems(editor);
  if (area.readOnly) return;
  const form = area.form;
  const save = document.querySelector("[name=_save]");
  editor.commands.addCommand({ name: "save", bindKey: SAVE, exec: () => form.requestSubmit(save) });
  takeFiles(editor, form.elements.upload);
  document.getElementById("validate").hidden = false;
  document.body.addEventListener("htmx:afterSettle", ({ target }) => {
    if (target.id !== "findings") return;
    markProblems(editor);
    target.scrollIntoView({ block: "nearest" });
  });
});
