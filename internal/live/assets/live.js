// Swaps the parts of the page that the harness draws, and sends the forms without leaving it.
(() => {
  const link = document.getElementById("link"), said = document.getElementById("said");
  const narrow = matchMedia("(max-width: 700px)");
  const told = {};
  let stream, over = false, fault = "";

  const swap = (id, html) => {
    const part = document.getElementById(id);
    if (!part || told[id] === html) return;
    told[id] = html;
    part.innerHTML = html;
    if (id === "inject") choose(fault);
  };
  const tell = (text, refused) => {
    said.textContent = text;
    said.classList.toggle("refused", refused);
  };

  // The form shows the parameters of one fault; the others' are not sent.
  const choose = name => {
    const select = document.querySelector("select[name=inject]");
    if (!select) return;
    if (name && [...select.options].some(o => o.value === name)) select.value = name;
    fault = select.value;
    for (const set of document.querySelectorAll("fieldset[data-fault]")) {
      set.hidden = set.disabled = set.dataset.fault !== fault;
    }
  };
  document.addEventListener("change", e => {
    if (e.target.name === "inject") choose(e.target.value);
  });

  document.addEventListener("submit", async e => {
    if (e.target.action.endsWith("/enter")) return;
    e.preventDefault();
    const button = e.target.querySelector("button");
    button.disabled = true;
    try {
      const answer = await fetch(e.target.action, {method: "POST", body: new URLSearchParams(new FormData(e.target))});
      tell((await answer.text()).trim(), !answer.ok);
    } catch {
      tell("the harness does not answer", true);
    }
    button.disabled = false;
  });

  const look = () => {
    if (stream) stream.close();
    stream = new EventSource("/events?view=" + (narrow.matches ? "narrow" : "wide"));
    stream.onopen = () => { link.hidden = true; };
    stream.onerror = () => {
      if (over) return;
      link.textContent = "The harness does not answer: what stands here is not the present.";
      link.hidden = false;
    };
    stream.addEventListener("frame", e => {
      const frame = JSON.parse(e.data);
      for (const [id, html] of Object.entries(frame.swap || {})) swap(id, html);
      if (!frame.over) return;
      over = true;
      document.body.classList.add("over");
      // The stream stays open until the report is here: the harness waits for it.
      if (frame.report) location.replace("/report");
      else stream.close();
    });
  };
  narrow.addEventListener("change", look);
  choose("");
  look();
})();
