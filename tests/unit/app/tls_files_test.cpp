#include "host/app/tls_files.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/wire/tls_client.hpp"

namespace broadcast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(TlsFilesTest, ACheckSaysWhatCannotBeHadAndWhatClientsWillRefuse) {
  MadeCertificates certificates;
  Config config;
  config.server.tls.identities = {certificates.make("old.example", -60)};
  config.admin.tls.identities = {certificates.make("good.example")};
  TlsFindings found = look_at_tls(config);
  EXPECT_THAT(found.problems, IsEmpty());
  EXPECT_THAT(found.warnings, ElementsAre(HasSubstr("server.tls: ")));
  EXPECT_THAT(found.warnings.at(0), HasSubstr("old.example.pem has expired on "));
  config.admin.tls.identities.at(0).key = "/nowhere.key";
  found = look_at_tls(config);
  EXPECT_THAT(found.problems, ElementsAre(HasSubstr("admin.tls: /nowhere.key: cannot be read")));
}

}  // namespace
}  // namespace broadcast
