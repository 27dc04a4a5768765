// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../../../contracts/interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "../../../contracts/interfaces/IIdentityRegistry.sol";
import {ConsentModel} from "./ConsentModel.sol";
import {Consortium} from "./Consortium.sol";
import {TypedData} from "./TypedData.sol";

/// @notice Random histories of two patients (one in custody), three grantees, two labels. Each step is done to the contract
/// and to the model, and says at once if a revocation failed, a signature was taken that was used or is for elsewhere, or
/// another word changed.
contract ConsentHandler is Consortium {
    struct Relay {
        IConsentRegistry.Grant consent;
        bytes signature;
        bool used;
    }

    ConsentModel public immutable MODEL = new ConsentModel();
    uint40 public clock = NOW;
    uint256 public steps;
    uint256 public granted;
    uint256 public refused;
    uint256 public replays;
    uint256 public strangers;

    Relay[] private _relays;
    bool private _paused;

    constructor() {
        setUp();
    }

    // ------------------------------------------------------------------ steps

    function wait(uint256 seconds_) external {
        clock += uint40(bound(seconds_, 0, 3 hours));
        vm.warp(clock);
    }

    function grantSent(uint256 seed) external atClock {
        IConsentRegistry.Grant memory consent = randomGrant(seed);
        bytes32[] memory others = wordsBeside(consent);
        vm.prank(senderOf(consent.patient));
        try consents.grant(consent) {
            permitted(consent, others);
        } catch {
            assertTrue(_paused, "a grant that is sent holds");
            ++refused;
        }
    }

    /// @dev Signs and keeps the signature; it is relayed now or later, by `relay`.
    function grantSigned(uint256 seed, bool now_) external atClock {
        IConsentRegistry.Grant memory consent = randomGrant(seed);
        _relays.push(Relay(consent, signed(consent, keyOf(consent.patient)), false));
        if (now_) relayAt(_relays.length - 1, seed % 2 == 0);
    }

    function relay(uint256 index, bool lean) external atClock {
        if (_relays.length != 0) relayAt(bound(index, 0, _relays.length - 1), lean);
    }

    /// @dev What was signed here is not taken on another chain (a fork of this one), and what was signed for another chain,
    /// another contract, another name or another count of revocations is not taken here.
    function relayElsewhere(uint256 seed, bool lean) external atClock {
        if (_paused) return;
        IConsentRegistry.Grant memory consent = randomGrant(seed);
        (consent.patient, consent.actions) = (ALICE, CAN_READ);
        (consent.nonce, consent.deadline) = (consents.grantNonce(ALICE) + 1 days, OPEN_END);
        uint256 way = (seed >> 96) % 5;
        (address target, string memory name, uint256 chain) =
            (way == 1 ? address(identity) : address(consents), "Consentry ConsentRegistry", block.chainid);
        if (way == 2) name = "Consentry IdentityRegistry";
        if (way == 3) chain += 1 + (seed >> 104) % 8;
        if (way == 4) consent.nonce += uint64(1 + (seed >> 104) % 8) << 32;
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(ALICE_KEY, TypedData.digest(target, name, chain, TypedData.hash(consent)));
        IConsentRegistry.CompactGrant memory short_ = compact(consent, ALICE_KEY);
        (short_.r, short_.vs) = (r, bytes32(uint256(s) | (uint256(v - 27) << 255)));
        bytes memory call_ = lean
            ? abi.encodeCall(consents.grantCompact, (short_))
            : abi.encodeCall(consents.grantSigned, (consent, abi.encodePacked(r, s, v)));
        chain = block.chainid;
        if (way == 0) vm.chainId(chain + 1 + (seed >> 104) % 8);
        (bool done,) = address(consents).call(call_);
        if (way == 0) vm.chainId(chain);
        assertFalse(done, "a signature is for one chain, one contract and one count of revocations");
        ++strangers;
    }

    function revoke(uint256 seed, uint8 actions, bool signed_) external atClock {
        (bytes32 patient, bytes32 grantee, bytes32 label) = keyFrom(seed);
        actions = uint8(bound(actions, 1, 127));
        if (signed_) {
            IConsentRegistry.Revocation memory revocation = revocationOf(patient, grantee);
            (revocation.labels, revocation.actions) = (one(label), actions);
            bytes memory by = signed(revocation, keyOf(patient));
            consents.revokeSigned(revocation, by);
        } else {
            vm.prank(senderOf(patient));
            consents.revokeLabel(patient, grantee, label, actions);
        }
        MODEL.forbid(patient, grantee, label, actions);
        voidUnrelayed(patient);
    }

    function revokeAll(uint256 seed) external atClock {
        if (seed % 4 != 0) return; // rarely, or nothing lives long enough
        (bytes32 patient,,) = keyFrom(seed / 4);
        vm.prank(senderOf(patient));
        consents.revokeAll(patient);
        MODEL.forbidAll(patient);
        voidUnrelayed(patient);
    }

    function breakGlass(uint256 seed) external atClock {
        (bytes32 patient, bytes32 grantee,) = keyFrom(seed);
        vm.prank(grantee == A ? a : grantee == B ? b : doctor);
        try consents.breakGlass(patient, grantee, "reason") {
            MODEL.permit(patient, grantee, ALL_LABELS, 1 << 6, clock, clock + 4 hours, BREAK_GLASS, EVERY_CATEGORY);
        } catch {
            ++refused;
        }
    }

    function veto(uint256 seed, bool vetoed) external atClock {
        (bytes32 patient,,) = keyFrom(seed);
        vm.prank(senderOf(patient));
        try consents.setEmergencyVeto(patient, vetoed) {
            MODEL.setVeto(patient, vetoed);
            voidUnrelayed(patient);
        } catch {
            assertTrue(_paused && !vetoed, "forbidding holds");
        }
    }

    function suspend(uint256 seed, bool suspended) external atClock {
        // Not A: it speaks for the patient in custody, whose grants are to hold here.
        bytes32 grantee = seed % 2 == 0 ? B : DOCTOR;
        if (MODEL.suspended(grantee) == suspended) return;
        if (grantee == DOCTOR && MODEL.suspended(B)) return; // its supervisor must be active
        vm.prank(grantee == B ? admin : b);
        identity.setStatus(grantee, suspended ? IIdentityRegistry.Status.Suspended : IIdentityRegistry.Status.Active);
        MODEL.setSuspended(grantee, suspended);
    }

    function pause(uint256 seed) external atClock {
        bool paused = seed % 4 == 0;
        vm.prank(admin);
        if (paused) consents.pauseGrants();
        else consents.unpauseGrants();
        _paused = paused;
    }

    // ------------------------------------------------------------------ what must hold

    /// @dev Questions of a grid, to the contract and to the model: patients, grantees, labels, actions, purposes.
    uint256 public constant QUESTIONS = 2 * 3 * 2 * 7 * 2;

    function compare(uint256 question) public {
        vm.warp(clock);
        bytes32 patient = [ALICE, CAROL][question % 2];
        bytes32 grantee = [A, B, DOCTOR][question / 2 % 3];
        bytes32 label = [GENERAL, ALL_LABELS][question / 6 % 2];
        uint8 action = uint8(question / 12 % 7);
        bool treatment = question / 84 % 2 == 0;
        if (action == 6) same(patient, grantee, label, READ, BREAK_GLASS, 1);
        else if (treatment) same(patient, grantee, label, action, TREAT, 1);
        else same(patient, grantee, label, action, RESEARCH, 2);
    }

    function compareAll() external {
        for (uint256 question = 0; question < QUESTIONS; ++question) {
            compare(question);
        }
    }

    function same(bytes32 patient, bytes32 grantee, bytes32 label, uint8 action, uint32 purpose, uint64 category)
        private
        view
    {
        assertTrue(
            consents.check(patient, grantee, label, action, purpose, category)
                == MODEL.allows(patient, grantee, label, action, purpose, category),
            "the contract and the model decide alike"
        );
    }

    // ------------------------------------------------------------------ inner

    modifier atClock() {
        ++steps;
        vm.warp(clock);
        _;
    }

    function relayAt(uint256 index, bool lean) private {
        Relay storage relay_ = _relays[index];
        IConsentRegistry.Grant memory consent = relay_.consent;
        bytes32[] memory others = wordsBeside(consent);
        // The compact form is for one action, and not for custody.
        lean = lean && consent.patient == ALICE && consent.actions & (consent.actions - 1) == 0;
        bytes memory call_ = lean
            ? abi.encodeCall(consents.grantCompact, (compact(consent, ALICE_KEY)))
            : abi.encodeCall(consents.grantSigned, (consent, relay_.signature));
        (bool done,) = address(consents).call(call_);
        if (relay_.used) {
            assertFalse(done, "a signature that was used or voided is never taken");
            ++replays;
        } else if (done) {
            relay_.used = true;
            permitted(consent, others);
        } else {
            ++refused;
        }
    }

    function permitted(IConsentRegistry.Grant memory consent, bytes32[] memory others) private {
        assertEq(keccak256(abi.encode(wordsBeside(consent))), keccak256(abi.encode(others)), "no other word changed");
        MODEL.permit(
            consent.patient,
            consent.grantee,
            consent.labels[0],
            consent.actions,
            consent.from,
            consent.to,
            consent.purposes,
            consent.categories
        );
        ++granted;
    }

    function voidUnrelayed(bytes32 patient) private {
        for (uint256 i = 0; i < _relays.length; ++i) {
            if (_relays[i].consent.patient == patient) _relays[i].used = true;
        }
    }

    function randomGrant(uint256 seed) private view returns (IConsentRegistry.Grant memory consent) {
        (bytes32 patient, bytes32 grantee, bytes32 label) = keyFrom(seed);
        consent = grantOf(patient, grantee);
        consent.labels = one(label);
        consent.actions = (seed >> 32) % 2 == 0 ? uint8(1 << (seed >> 40) % 6) : uint8(1 + (seed >> 40) % 63);
        consent.purposes = [TREAT, RESEARCH, TREAT | RESEARCH][(seed >> 48) % 3];
        consent.categories = [uint64(1), 2, EVERY_CATEGORY][(seed >> 56) % 3];
        consent.from = clock + uint40((seed >> 64) % 2 * 2 hours);
        consent.to = (seed >> 72) % 2 == 0 ? OPEN_END : consent.from + uint40(1 + (seed >> 80) % 8 hours);
        consent.deadline = clock + 2 hours;
    }

    function keyFrom(uint256 seed) private pure returns (bytes32 patient, bytes32 grantee, bytes32 label) {
        patient = seed % 2 == 0 ? ALICE : CAROL;
        grantee = [A, B, DOCTOR][(seed >> 8) % 3];
        label = (seed >> 16) % 2 == 0 ? GENERAL : ALL_LABELS;
    }

    function senderOf(bytes32 patient) private view returns (address) {
        return patient == ALICE ? alice : a;
    }

    function keyOf(bytes32 patient) private pure returns (uint256) {
        return patient == ALICE ? ALICE_KEY : A_KEY;
    }

    /// @dev All words of the grid but those of the grant.
    function wordsBeside(IConsentRegistry.Grant memory consent) private view returns (bytes32[] memory words) {
        bytes32[2] memory patients = [ALICE, CAROL];
        bytes32[3] memory grantees = [A, B, DOCTOR];
        bytes32[2] memory labels = [GENERAL, ALL_LABELS];
        words = new bytes32[](12 * 7);
        for (uint256 i = 0; i < 12; ++i) {
            (bytes32 patient, bytes32 grantee, bytes32 label) = (patients[i % 2], grantees[i / 2 % 3], labels[i / 6]);
            bool same_ = patient == consent.patient && grantee == consent.grantee && label == consent.labels[0];
            for (uint8 action = 0; action < 7; ++action) {
                if (same_ && consent.actions >> action & 1 == 1) continue;
                words[i * 7 + action] =
                    vm.load(address(consents), keccak256(abi.encode(patient, grantee, label, action)));
            }
        }
    }
}
