// Nothing that asks anybody but this gateway: no fonts, no telemetry, no proxy,
// no assistant, no registry.
Scalar.createApiReference("#reference", {
  url: "/openapi.json",
  withDefaultFonts: false,
  telemetry: false,
  proxyUrl: "",
  agent: { disabled: true },
  mcp: { disabled: true },
  showDeveloperTools: "never",
  externalUrls: {},
  hideClientButton: true,
  hideTestRequestButton: true,
  documentDownloadType: "direct",
  defaultHttpClient: { targetKey: "shell", clientKey: "curl" },
  theme: "default",
});
