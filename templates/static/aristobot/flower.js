// Flower keeps its own switch for light and dark; in our frame it follows ours.
const dark = localStorage.getItem("adminTheme") !== '"light"';
localStorage.setItem("flower-theme", dark ? "dark" : "light");
