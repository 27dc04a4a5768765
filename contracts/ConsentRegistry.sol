// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IdentityClient} from "./base/IdentityClient.sol";
import {AccessRequests} from "./consent/AccessRequests.sol";
import {BreakGlass} from "./consent/BreakGlass.sol";
import {CompactGrants} from "./consent/CompactGrants.sol";
import {Delegations} from "./consent/Delegations.sol";
import {IConsentRegistry} from "./interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "./interfaces/IIdentityRegistry.sol";
import {ConsentWord, ConsentWords} from "./libraries/ConsentWords.sol";
import {PatientAccount, PatientAccounts} from "./libraries/PatientAccounts.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @notice See {IConsentRegistry}, which is the specification. Here stands the question; granting, revoking, delegating,
/// requesting and emergencies have a file each in consent/.
contract ConsentRegistry is CompactGrants, Delegations, AccessRequests, BreakGlass {
    constructor(IIdentityRegistry identity) IdentityClient(identity) EIP712("Consentry ConsentRegistry", "1") {}

    /// @inheritdoc IConsentRegistry
    /// @dev `denial` says the same slowly and with a reason; a test holds them equal.
    function check(
        bytes32 patient,
        bytes32 grantee,
        bytes32, // label
        uint256 action,
        uint256 purposes,
        uint256 categories
    )
        external
        view
        returns (bool)
    {
        uint256 veto = PatientAccounts.VETO;
        uint256 isActive = uint32(IIdentityRegistry.isActive.selector);
        address identity = address(IDENTITY);
        // Not "memory-safe": it works in the first 128 bytes, and never goes back to Solidity.
        assembly {
            mstore(0x00, patient)
            mstore(0x20, _accounts.slot)
            let account := sload(keccak256(0x00, 0x40))
            calldatacopy(0x00, 0x04, 0x80) // patient, grantee, label, action: what the slot is the hash of
            let against := gt(action, LAST_ACTION)
            if eq(purposes, BREAK_GLASS_PURPOSE) {
                // Only reading, not against the veto, and by the emergency word alone.
                against := or(action, and(account, veto))
                mstore(0x60, EMERGENCY_ACTION)
            }
            let word := sload(keccak256(0x00, 0x80))
            // One expression, because each variable costs: from, to, epoch, purposes, categories, neither empty.
            against := or(
                or(
                    or(
                        or(
                            or(
                                or(against, gt(and(word, 0xffffffffff), timestamp())),
                                iszero(gt(and(shr(40, word), 0xffffffffff), timestamp()))
                            ),
                            and(shr(160, xor(shr(16, word), account)), 0xffffffff)
                        ),
                        and(purposes, not(and(shr(80, word), 0xffffffff)))
                    ),
                    and(categories, not(and(shr(112, word), 0xffffffffffffffff)))
                ),
                or(iszero(purposes), iszero(categories))
            )
            if against {
                mstore(0x00, 0)
                return(0x00, 0x20)
            }
            // IDENTITY.isActive(grantee); what it answers is the answer. The grantee lies behind the selector already.
            mstore(0x00, isActive)
            // Arguments are worked out from the last: the call comes before the size of its answer.
            if iszero(and(gt(returndatasize(), 0x1f), staticcall(gas(), identity, 0x1c, 0x24, 0x00, 0x20))) {
                revert(0x00, 0x00)
            }
            return(0x00, 0x20)
        }
    }

    /// @inheritdoc IConsentRegistry
    function denial(
        bytes32 patient,
        bytes32 grantee,
        bytes32 label,
        uint256 action,
        uint256 purposes,
        uint256 categories
    ) external view returns (Denial) {
        return _denial(patient, grantee, label, action, purposes, categories);
    }

    /// @inheritdoc IConsentRegistry
    function consentOf(bytes32 patient, bytes32 grantee, bytes32 label, uint8 action)
        external
        view
        returns (Consent memory)
    {
        return _word(patient, grantee, label, action).unpack();
    }

    /// @inheritdoc IConsentRegistry
    function policyOf(bytes32 patient, bytes32 grantee, bytes32 label, uint8 action) external view returns (bytes32) {
        bytes32 location = ConsentWords.slot(patient, grantee, label, action);
        bool pinned = ConsentWords.load(location).flags() & ConsentWords.POLICY != 0;
        return pinned ? _policies[location] : bytes32(0);
    }

    /// @inheritdoc IConsentRegistry
    function slotOf(bytes32 patient, bytes32 grantee, bytes32 label, uint8 action) external pure returns (bytes32) {
        return ConsentWords.slot(patient, grantee, label, action);
    }

    /// @inheritdoc IConsentRegistry
    function accountSlotOf(bytes32 patient) external pure returns (bytes32) {
        uint256 mappingSlot;
        assembly ("memory-safe") {
            mappingSlot := _accounts.slot
        }
        return keccak256(abi.encode(patient, mappingSlot));
    }

    /// @inheritdoc IConsentRegistry
    function epochOf(bytes32 patient) external view returns (uint32) {
        return _accounts[patient].epoch();
    }

    /// @inheritdoc IConsentRegistry
    function grantNonce(bytes32 patient) external view returns (uint64) {
        return (uint64(_accounts[patient].revocations()) << 32) | uint32(block.timestamp);
    }

    /// @inheritdoc IConsentRegistry
    function revocationNonce(bytes32 patient) external view returns (uint64) {
        return _accounts[patient].revocations();
    }

    /// @dev Reads the word, the account, and last the grantee's standing: denials mostly need fewer.
    function _denial(
        bytes32 patient,
        bytes32 grantee,
        bytes32 label,
        uint256 action,
        uint256 purposes,
        uint256 categories
    ) private view returns (Denial) {
        bool emergency = purposes == BREAK_GLASS_PURPOSE;
        if (emergency ? action != 0 : action >= ACTIONS) return Denial.NoConsent;
        ConsentWord word = _word(patient, grantee, label, emergency ? EMERGENCY_ACTION : action);
        if (word.to() == 0) return Denial.NoConsent;
        PatientAccount account = _accounts[patient];
        if (word.epoch() != account.epoch()) return Denial.EpochEnded;
        if (emergency && account.vetoed()) return Denial.NoConsent;
        if (block.timestamp < word.from()) return Denial.NotYet;
        if (block.timestamp >= word.to()) return Denial.Expired;
        if (purposes == 0 || purposes & ~uint256(word.purposes()) != 0) return Denial.Purpose;
        if (categories == 0 || categories & ~uint256(word.categories()) != 0) return Denial.Category;
        return _isActive(grantee) ? Denial.None : Denial.GranteeNotActive;
    }
}
