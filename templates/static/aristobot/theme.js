// The first visit is dark; afterwards the switch in the menu remembers the choice.
if (localStorage.getItem("adminTheme") === null) {
  localStorage.setItem("adminTheme", JSON.stringify("dark"));
}
