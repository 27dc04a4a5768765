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

    /// @dev Every signature given so far becomes void. Unchecked, because a revocation never fails: 2^32 transactions of one
    /// patient would have to come before the counter could run over.
    function withRevocation(PatientAccount account) internal pure returns (PatientAccount) {
        unchecked {
            return PatientAccount.wrap(PatientAccount.unwrap(account) + ONE_REVOCATION);
        }
    }

    /// @dev Everything written so far becomes void, signatures included.
    function withNextEpoch(PatientAccount account) internal pure returns (PatientAccount) {
        unchecked {
            return PatientAccount.wrap(PatientAccount.unwrap(account) + (ONE_EPOCH | ONE_REVOCATION));
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
