// kiwoom_stand_in DIRECTORY [NAME]: the stand-in as a program. Writes the authority's certificate
// to DIRECTORY/ca.pem, shows clients one for NAME (localhost), prints its port, then answers each
// line of JSON on its standard input with one, and ends with it.

#include <fstream>
#include <iostream>
#include <string>

#include "tests/support/kiwoom/stand_in.hpp"

int main(int count, char** arguments) {
  using broadcast::test::Authority;
  using broadcast::test::KiwoomStandIn;
  if (count < 2) {
    std::cerr << "kiwoom_stand_in DIRECTORY [NAME]\n";
    return 2;
  }
  const Authority authority;
  std::ofstream(std::string(arguments[1]) + "/ca.pem") << authority.certificate();
  KiwoomStandIn stand_in(authority.issue(count > 2 ? arguments[2] : "localhost"));
  std::cout << nlohmann::json{{"port", stand_in.port()}} << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    const auto command = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    std::cout << stand_in.control(command.is_object() ? command : nlohmann::json::object())
              << std::endl;
  }
  return 0;
}
