# Homebrew: brew install ./ringboot.rb
class Ringboot < Formula
  desc "Images that turn three mini PCs into one Proxmox VE cluster"
  homepage "@URL@"
  version "@VERSION@"

  on_macos do
    on_arm do
      url "@URL@/ringboot-@VERSION@-darwin-arm64.tar.gz"
      sha256 "@SUM darwin-arm64@"
    end
    on_intel do
      url "@URL@/ringboot-@VERSION@-darwin-amd64.tar.gz"
      sha256 "@SUM darwin-amd64@"
    end
  end

  on_linux do
    on_arm do
      url "@URL@/ringboot-@VERSION@-linux-arm64.tar.gz"
      sha256 "@SUM linux-arm64@"
    end
    on_intel do
      url "@URL@/ringboot-@VERSION@-linux-amd64.tar.gz"
      sha256 "@SUM linux-amd64@"
    end
  end

  def install
    commands = %w[mkimage peers]
    commands << "rehearse" if OS.linux? # its machines need Linux
    commands.each do |name|
      bin.install name
      man1.install Dir["texts/man1/#{name}*.1"]
      bash_completion.install "texts/bash-completion/#{name}"
      zsh_completion.install "texts/zsh-completion/_#{name}"
    end
    doc.install "README.md", "CHANGELOG.md", "SECURITY.md", "docs"
  end

  test do
    assert_equal "mkimage version @VERSION@\n", shell_output("#{bin}/mkimage version")
  end
end
