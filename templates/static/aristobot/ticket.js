// Counts a confirmation down; the server keeps the time that counts.
function countDown(form) {
  const ends = performance.now() + 1000 * form.dataset.seconds;
  const left = form.querySelector("[data-left]");
  const button = form.querySelector("button");
  const timer = setInterval(() => {
    const seconds = Math.ceil((ends - performance.now()) / 1000);
    if (!form.isConnected) clearInterval(timer);
    left.textContent = `Confirm within ${seconds} s.`;
    if (seconds > 0) return;
    clearInterval(timer);
    button.disabled = true;
    left.textContent = "Too late: validate again, the price may have moved.";
  }, 200);
  // One press is one order, however long the answer takes.
  form.addEventListener("submit", () => setTimeout(() => { button.disabled = true; clearInterval(timer); }));
}

document.querySelectorAll("form[data-seconds]").forEach(countDown);
