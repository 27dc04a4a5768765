// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A patient's account: controller (160 bits, lowest; zero in custody), epoch (32), revocation counter (32),
/// flags (32; bit 0: emergency veto).
type PatientAccount is uint256;

using PatientAccounts for PatientAccount global;

/// @title The word that holds what every decision of a patient needs
library PatientAccounts {
    uint256 internal constant VETO = 1 << 224;
    uint256 private constant ONE_EPOCH = 1 << 160;
    uint256 private constant ONE_REVOCATION = 1 << 192;
    uint256 private constant EPOCH = uint256(type(uint32).max) << 160;
    uint256 private constant REVOCATIONS = uint256(type(uint32).max) << 192;

    function controller(PatientAccount account) internal pure returns (address) {
        return address(uint160(PatientAccount.unwrap(account)));
    }

    function epoch(PatientAccount account) internal pure returns (uint32) {
        return uint32(PatientAccount.unwrap(account) >> 160);
    }

    function revocations(PatientAccount account) internal pure returns (uint32) {
        return uint32(PatientAccount.unwrap(account) >> 192);
    }

    function vetoed(PatientAccount account) internal pure returns (bool) {
        return PatientAccount.unwrap(account) & VETO != 0;
    }

    /// @dev Every signature given so far becomes void. The counter wraps rather than fail: a revocation never fails, and
    /// after 2^32 of them what was signed for the first has met its deadline.
    function withRevocation(PatientAccount account) internal pure returns (PatientAccount) {
        uint256 word = PatientAccount.unwrap(account);
        unchecked {
            return PatientAccount.wrap((word & ~REVOCATIONS) | ((word + ONE_REVOCATION) & REVOCATIONS));
        }
    }

    function withNextEpoch(PatientAccount account) internal pure returns (PatientAccount) {
        uint256 word = PatientAccount.unwrap(account);
        unchecked {
            return PatientAccount.wrap((word & ~EPOCH) | ((word + ONE_EPOCH) & EPOCH));
        }
    }

    function withController(PatientAccount account, address controller_) internal pure returns (PatientAccount) {
        return
            PatientAccount.wrap((PatientAccount.unwrap(account) & ~uint256(type(uint160).max)) | uint160(controller_));
    }

    function withVeto(PatientAccount account, bool vetoed_) internal pure returns (PatientAccount) {
        uint256 word = PatientAccount.unwrap(account) & ~VETO;
        return PatientAccount.wrap(vetoed_ ? word | VETO : word);
    }
}
