// Gradio says that there is no microphone where the visitor has refused it.
async () => {
  const told = document.querySelector("#microphone p");
  const permission = await navigator.permissions?.query({ name: "microphone" }).catch(() => null);
  if (!told || !permission) return;
  const tell = () => {
    told.textContent =
      permission.state === "denied"
        ? "The browser does not let this page use a microphone: allow it beside the page's address, or give a file."
        : "";
  };
  permission.onchange = tell;
  tell();
}
