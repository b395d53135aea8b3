"use strict";
const board = document.getElementById("board");
let dragged = null;

function paint() {
  for (const top of board.querySelectorAll("[data-colour]")) top.style.background = top.dataset.colour;
}

async function refresh() {
  if (dragged || board.querySelector("article:hover, article:focus-within")) return;
  const answer = await fetch("/?part");
  if (!answer.ok) return;
  const scrolled = [...board.querySelectorAll(".columns")].map((one) => one.scrollLeft);
  board.innerHTML = await answer.text();
  board.querySelectorAll(".columns").forEach((one, n) => { one.scrollLeft = scrolled[n] || 0; });
  paint();
}

board.addEventListener("dragstart", (event) => {
  dragged = event.target.closest("article");
  dragged.classList.add("dragged");
  event.dataTransfer.setData("text/plain", dragged.dataset.card);
});
board.addEventListener("dragend", () => {
  if (dragged) dragged.classList.remove("dragged");
  dragged = null;
});
board.addEventListener("dragover", (event) => {
  const column = event.target.closest(".column");
  for (const one of board.querySelectorAll(".over")) if (one !== column) one.classList.remove("over");
  if (!column || !dragged) return;
  event.preventDefault();
  column.classList.add("over");
});
board.addEventListener("drop", async (event) => {
  const column = event.target.closest(".column");
  if (!column || !dragged) return;
  event.preventDefault();
  column.append(dragged);
  const target = column.dataset;
  const body = new URLSearchParams({ card: dragged.dataset.card, column: target.column, lane: target.lane, quiet: "1" });
  dragged = null;
  await fetch("/move", { method: "POST", body });
  refresh();
});

paint();
setInterval(refresh, 1500);
