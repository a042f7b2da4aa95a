#include "host/app/demo_page.hpp"

#include "host/app/demo_page_html.hpp"

namespace broadcast {

namespace {

constexpr std::string_view kPathTag = R"(<meta name="ws-path" content=")";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string demo_page(std::string_view websocket_path) {
  std::string page(kDemoPageHtml);
  const std::size_t begin = page.find(kPathTag) + kPathTag.size();
  return page.replace(begin, page.find('"', begin) - begin, escaped(websocket_path));
}

}  // namespace broadcast
